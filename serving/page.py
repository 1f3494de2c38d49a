"""The page at /: the API's description, to be tried in the browser.

BentoML's own page loads a Google tag manager, and its description pictures of other sites; this one
loads nothing from elsewhere, and describes our routes alone.
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sightline</title>
<link rel="stylesheet" href="static_content/swagger-ui.css">
</head>
<body>
<main id="api"></main>
<script src="static_content/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "openapi.json", dom_id: "#api", validatorUrl: null})</script>
</body>
</html>
"""
