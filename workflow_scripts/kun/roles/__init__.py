"""What language models are asked to do: label, score, polish. Prompt in, parsed outcome out; knows no engine and no workflow."""
