"""What we say: every message in every language, as files for translators and reviewers. See README.md here."""
