"""Documents as bytes: PDF, HTML, JSON, CSV; here are templates, their files, and typst.

templates       the templates and message catalogs that Meterline brings, and a company's own over them
renderer        a document in a format and a language
pdf             PDF through typst, in a process of its own
typst_process   that process
html_page       HTML through Jinja2, in its sandbox
sample          documents that have a bit of everything, by which templates are checked at the start
templates/      what Meterline brings
"""
