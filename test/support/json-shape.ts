/**
 * The shape of a JSON document: each path that leads to a value, with the value's type. Elements of an
 * array share the path `[]`; below a path of `maps` keys are names, not fields, and share `{}`.
 */
export function shapeOf(value: unknown, maps: readonly string[] = []): ReadonlySet<string> {
  const shape = new Set<string>()
  walk(value, '', maps, shape)
  return shape
}

/** What `actual` lacks, and what it has beside, as `-path: type` and `+path: type`. */
export function shapeDifference(
  expected: ReadonlySet<string>,
  actual: ReadonlySet<string>,
): readonly string[] {
  return [
    ...[...expected].filter((path) => !actual.has(path)).map((path) => `-${path}`),
    ...[...actual].filter((path) => !expected.has(path)).map((path) => `+${path}`),
  ].sort()
}

function walk(value: unknown, path: string, maps: readonly string[], shape: Set<string>): void {
  if (Array.isArray(value)) {
    shape.add(`${path}: array`)
    for (const one of value) walk(one, `${path}[]`, maps, shape)
  } else if (typeof value === 'object' && value !== null) {
    shape.add(`${path}: object`)
    for (const [key, child] of Object.entries(value)) {
      walk(child, `${path}.${maps.includes(path) ? '{}' : key}`, maps, shape)
    }
  } else shape.add(`${path}: ${value === null ? 'null' : typeof value}`)
}
