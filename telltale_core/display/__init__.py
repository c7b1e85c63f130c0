"""What people are shown, made safe and readable: texts of strangers, numbers, pictures. Imports nothing of the core."""
