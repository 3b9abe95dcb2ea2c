"""The page behind the search box."""

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from luxewin.finding import look

MOST_CHARACTERS = 200


@require_safe
def search(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Open the only thing that the text names; else say what was looked for and what was found."""
    text = " ".join(request.GET.get("q", "").replace("\0", "").split())[:MOST_CHARACTERS]
    looked = list(look(request, site, text)) if text else []
    found = [address for each in looked for _, address in each.found]
    if len(found) == 1:
        return redirect(found[0])
    context = site.each_context(request) | {"title": "Search", "text": text, "looked": looked}
    return TemplateResponse(request, "admin/search.html", context)
