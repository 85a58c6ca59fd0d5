/** How many subjects all streams hold in memory, and their bytes: beyond a limit of either they go to disk. */
export class SubjectBudget {
  subjects = 0
  bytes = 0
  readonly #subjectsMax: number
  readonly #bytesMax: number

  constructor(subjectsMax = Number.POSITIVE_INFINITY, bytesMax = Number.POSITIVE_INFINITY) {
    this.#subjectsMax = subjectsMax
    this.#bytesMax = bytesMax
  }

  get hasRoom(): boolean {
    return this.subjects < this.#subjectsMax && this.bytes < this.#bytesMax
  }

  take(bytes: number): void {
    this.subjects++
    this.bytes += bytes
  }

  giveBack(subjects: number, bytes: number): void {
    this.subjects -= subjects
    this.bytes -= bytes
  }
}
