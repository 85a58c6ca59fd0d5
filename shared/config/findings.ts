export type Keys = readonly (string | number)[]

/** What is wrong, or looks wrong, at a path as the schema names it: so it is printed with its line. */
export interface Finding {
  readonly keys: Keys
  readonly message: string
}

export class Findings {
  readonly problems: Finding[] = []
  readonly warnings: Finding[] = []

  problem(keys: Keys, message: string): void {
    this.problems.push({ keys, message })
  }

  warning(keys: Keys, message: string): void {
    this.warnings.push({ keys, message })
  }

  /** Remembers a name, and reports it when it is known already. */
  repeated(names: Set<string>, name: string, keys: Keys): void {
    if (names.has(name)) this.problem(keys, `"${name}" is there twice`)
    names.add(name)
  }
}
