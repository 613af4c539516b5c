"""Documents: invoices and credit notes as what people read and file. Pure: a file's bytes come in, and texts go out.

document              what a document says, as plain values, and the JSON of it
invoice_document      an invoice, its booked lines and the catalog's names to a document
credit_note_document  a credit note and the booked lines of its invoice to a document
booked_sections       booked lines as the sections of a document, and whether they add up
catalog_names         what the catalog calls what a customer has
rated_again           booked lines rated again by themselves, where their tiers add up to the line
priced_parts          what lines are made of, of that: so many units at so much
languages             the texts of documents by language: message catalogs, checked
local_format          numbers, amounts and dates as a language and a country write them
shown                 a document in a language: the texts that templates lay out
lines_csv             a document's lines as CSV, one row a line
"""
