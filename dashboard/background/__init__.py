"""Work beside the pages: processes of their own, and measurements of a whole study that they make."""
