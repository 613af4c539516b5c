"""The family of commands about closed billing periods."""
