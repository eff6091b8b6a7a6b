"""What is measured on a document. Each signal is a column; none is a decision."""
