"""What several tests need: specs from texts (`specs`), the command line in and outside this process (`cli`), expectations in comments (`marks`)."""
