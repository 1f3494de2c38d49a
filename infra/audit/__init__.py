"""`make audit`: what the locked packages are, which have known vulnerabilities, under which licences."""
