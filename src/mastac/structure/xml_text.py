"""XML from strangers: parsed without entities."""

from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from mastac.errors import UserError


class _WithoutDoctype(TreeBuilder):
    """Refuses a document type, the only place where a file can define entities of its own."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise ValueError("it has a <!DOCTYPE>, which is not read; take that line out")


def parse_xml(text: str, path: str, root: str, form: str) -> Element:
    """The root of an XML document, namespaces taken off the names of elements.

    **Arguments:**

    - `text`: the document.
    - `path`: the file, for messages.
    - `root`: the name that its first element must have.
    - `form`: what the file should be, for messages.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the file, if it is not valid, opens with another element
        or has a document type.
    """
    parser = XMLParser(target=_WithoutDoctype())
    try:
        parser.feed(text.encode())
        element: Element = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        raise UserError(f"{path}: not valid {form} ({error})") from error
    for part in element.iter():
        part.tag = part.tag.rpartition("}")[2]
    if element.tag != root:
        raise UserError(f"{path}: not valid {form} (it opens with <{element.tag}>, not <{root}>)")
    return element
