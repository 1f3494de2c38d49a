"""What OpenAPI says of the routes: `answers` and errors of all; `batch`, `feedback`, `models` add theirs."""
