/**
 * How much may be on its way to a consumer that answers flow control, in nats-server's way: the window
 * begins small and doubles with each answer; above half of it a question goes out, and above all of it
 * nothing goes out until that is answered. What was sent up to the question is answered for by it.
 */
export class FlowWindow {
  readonly #bytesMax: number
  #bytes: number
  #sent = 0
  #asked = 0
  #question = ''

  constructor(bytesMin: number, bytesMax: number) {
    this.#bytes = bytesMin
    this.#bytesMax = bytesMax
  }

  get isOpen(): boolean {
    return this.#sent <= this.#bytes
  }

  /** The subject that an answer is awaited on; '' for none. */
  get question(): string {
    return this.#question
  }

  /** So much was sent. Returns whether it is time to ask. */
  add(bytes: number): boolean {
    this.#sent += bytes
    if (this.#question === '') return this.#sent > this.#bytes / 2
    // A message larger than the window: else the answer would leave it closed for ever.
    if (this.#sent - this.#asked >= this.#bytes) this.#asked += bytes
    return false
  }

  ask(question: string): void {
    this.#question = question
    this.#asked = this.#sent
  }

  /** Returns false for an answer to anything but the question at hand. */
  answer(question: string): boolean {
    if (this.#question === '' || question !== this.#question) return false
    this.#question = ''
    this.#bytes = Math.min(this.#bytes * 2, this.#bytesMax)
    this.#sent = Math.max(0, this.#sent - this.#asked)
    this.#asked = 0
    return true
  }
}
