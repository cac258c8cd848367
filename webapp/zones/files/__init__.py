"""Files of zones: reading CSV and GeoJSON row by row, and writing both. Pure but for the export's pages."""
