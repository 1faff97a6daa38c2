"""What a machine can do, and how well a photo will do, told before anything is rendered."""
