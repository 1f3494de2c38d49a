// The API, described by our own routes and to be tried. No validator of another site is asked.
SwaggerUIBundle({ url: "openapi.json", dom_id: "#api", validatorUrl: null });
