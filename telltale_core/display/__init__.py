"""What people are shown, made fit for it: texts of strangers, numbers, pictures. Imports no other package."""
