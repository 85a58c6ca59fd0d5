/** One family of `/metrics`. */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly labels: readonly string[]
  readonly samples: readonly MetricSample[]
}

export interface MetricSample {
  /** In the order of `labels`. */
  readonly values: readonly string[]
  readonly value: number
}

/** The exporter makes gauges of nearly everything, whatever it counts. */
export function gauge(
  name: string,
  help: string,
  labels: readonly string[],
  samples: readonly (readonly [values: readonly string[], value: number])[],
): Metric {
  const list = samples.map(([values, value]) => ({ values, value }))
  return { name, help, type: 'gauge', labels, samples: list }
}

/** One family per figure, over the same subjects: `[suffix, of]` each. */
export function gauges<T>(
  prefix: string,
  labels: readonly string[],
  items: readonly T[],
  valuesOf: (item: T) => readonly string[],
  figures: readonly (readonly [suffix: string, of: (item: T) => number | undefined])[],
): Metric[] {
  const values = items.map(valuesOf)
  return figures.map(([suffix, of]) =>
    gauge(
      prefix + suffix,
      suffix.replace(/^_/, ''),
      labels,
      items.flatMap((item, index) => {
        const value = of(item)
        return value === undefined ? [] : [[values[index] ?? [], value] as const]
      }),
    ),
  )
}
