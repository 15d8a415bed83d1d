"""The page: ES modules, one stylesheet, one document, served as they stand here. Nothing to build or to import."""
