"""Pages of lists."""

from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """Cursor pages: their cost does not grow with the depth, and no row is shown twice while others are added."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100
    ordering = "-id"
