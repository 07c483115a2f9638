//! The `/metrics` page.
