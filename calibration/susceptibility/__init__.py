"""What a judge is fooled by: its errors against length, place in the list, own family, incoherence and quotation."""
