/** Who imports from whom: a change of one account concerns these, and nobody else is looked at. */
export class ImporterIndex {
  readonly #exporters = new Map<string, ReadonlySet<string>>()
  readonly #importers = new Map<string, Set<string>>()

  /** From whom the account imports now; nobody: it is forgotten. */
  set(importer: string, exporters: ReadonlySet<string>): void {
    for (const exporter of this.#exporters.get(importer) ?? []) {
      const importers = this.#importers.get(exporter)
      if (importers?.delete(importer) && importers.size === 0) this.#importers.delete(exporter)
    }
    if (exporters.size === 0) this.#exporters.delete(importer)
    else this.#exporters.set(importer, exporters)
    for (const exporter of exporters) {
      const importers = this.#importers.get(exporter)
      if (importers === undefined) this.#importers.set(exporter, new Set([importer]))
      else importers.add(importer)
    }
  }

  importersOf(exporter: string): Iterable<string> {
    return this.#importers.get(exporter) ?? []
  }
}
