"""Files of which each is one document: text, HTML, PDF and DOCX.

Imports: what all formats share. Only `child` imports the readers of HTML, PDF and DOCX, and it runs in its own process,
which a hostile file may end without ending the worker.

document_rows: the row of a file: its text, path and title, or why it has none.
readers: the libraries that read HTML and PDF, and their versions.
file_text: what is read of a file, and the limits of all formats.
plain_text: text, Markdown and reStructuredText, with their titles.
reader_process: asks a child process for the text of a file, within limits of time and memory.
child: that process.
html_text: what a browser would show of HTML.
pdf_text: the text of the pages of a PDF.
docx_text: the paragraphs of a Word document.
"""
