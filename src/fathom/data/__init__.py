"""What comes in: data sets, pictures, schemas and encodings."""
