"""From pixels and words to regions: segmentation of table-top scenes, appearance, names."""
