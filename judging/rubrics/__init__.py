"""What a judge is asked, how the response is fenced, and how its reply is parsed."""
