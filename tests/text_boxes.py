"""Where the text of a figure stands."""

from matplotlib.backends.backend_agg import FigureCanvasAgg


def boxes_of(figure):
    """The box of every text on a sheet, and of the sheet itself, in dots."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    found = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    return found, figure.bbox
