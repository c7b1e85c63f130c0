"""What people are shown, made fit for it: texts of strangers, numbers, pictures. Stands on the ground floor."""
