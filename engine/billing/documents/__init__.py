"""Documents: invoices and credit notes as what people read and file. Pure: a file's bytes come in, and texts go out.

document              what a document says, as plain values, and the JSON of it
document_parts        its lines and sections
usage_behind          usage by day behind lines, and how it comes to what they bill
invoice_document      an invoice, its booked lines and the catalog's names to a document
credit_note_document  a credit note and the booked lines of its invoice to a document
booked_sections       booked lines as the sections of a document, and whether they add up
catalog_names         what the catalog calls what a customer has
rated_again           booked lines rated again by themselves, where their tiers add up to the line
priced_parts          what lines are made of, of that: so many units at so much
languages             the texts of documents by language: message catalogs, checked
local_format          numbers, amounts and dates as a language and a country write them
shown                 a document in a language: the texts that templates lay out
shown_usage           usage by day in a language
document_csv          a document's lines, or the usage behind them, as CSV
"""
