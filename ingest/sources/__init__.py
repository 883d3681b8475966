"""Files to blocks: where the bytes come from, what they are packed and spelt in, where they cut."""
