// Shapes as the desk writes them, and as Leaflet draws them. A shape is {center: [lat, lng], radius_km} or
// {ring: [[lat, lng], …]}; degrees and kilometres.

export function layerOf(shape, options) {
  return shape.ring ? L.polygon(shape.ring, options) : L.circle(shape.center, { ...options, radius: shape.radius_km * 1000 });
}

export function shapeOf(layer) {
  if (layer instanceof L.Circle) {
    return { center: plain(layer.getLatLng()), radius_km: layer.getRadius() / 1000 };
  }
  const rings = layer.getLatLngs();
  return { ring: (Array.isArray(rings[0]) ? rings[0] : rings).map(plain) };
}

// A map that was moved around the earth says 443° for 83°.
function plain(at) {
  const there = at.wrap();
  return [there.lat, there.lng];
}

// The same shape on the turn of the earth that the map shows.
export function turned(shape, lng) {
  const middle = shape.center ? shape.center[1] : shape.ring[0][1];
  const by = 360 * Math.round((lng - middle) / 360);
  if (!by) return shape;
  const move = ([lat, at]) => [lat, at + by];
  return { ...shape, center: shape.center && move(shape.center), ring: shape.ring && shape.ring.map(move) };
}

export function boundsOf(shape) {
  if (shape.ring) return L.latLngBounds(shape.ring);
  return L.latLng(shape.center).toBounds(shape.radius_km * 2000);
}

export function number(text) {
  const trimmed = (text || "").trim();
  return /^[-+]?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : NaN;
}

function onEarth([lat, lng]) {
  return Math.abs(lat) <= 90 && Math.abs(lng) <= 180;
}

export function circleOf(lat, lng, radius) {
  const center = [number(lat), number(lng)];
  const radius_km = number(radius);
  return onEarth(center) && radius_km > 0 && radius_km <= 500 ? { center, radius_km } : null;
}

// Corners as typed, a line each, or as a GeoJSON Polygon or Feature; null where they are no ring (yet).
export function ringOf(text) {
  const ring = text.trim().startsWith("{") ? geojson(text) : text.split("\n").filter((row) => row.trim()).map(corner);
  if (!ring || ring.length < 3 || !ring.every((at) => at.length === 2 && onEarth(at))) return null;
  const [first, last] = [ring[0], ring[ring.length - 1]];
  const open = first[0] === last[0] && first[1] === last[1] ? ring.slice(0, -1) : ring;
  return open.length < 3 ? null : { ring: open };
}

function corner(row) {
  return row.split(/[,;\s]+/).filter(Boolean).map(number);
}

function geojson(text) {
  try {
    const read = JSON.parse(text);
    const one = read.type === "FeatureCollection" ? read.features[0] : read;
    const shape = one.type === "Feature" ? one.geometry : one;
    return shape.type === "Polygon" ? shape.coordinates[0].map(([lng, lat]) => [lat, lng]) : null;
  } catch {
    return null;
  }
}
