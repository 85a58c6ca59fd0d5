const LF = 10
const CR = 13
const TAB = 9
const SPACE = 32
const COLON = 58

const NOTHING = new Uint8Array(0)

/**
 * Steps from field to field of a NATS header block, in place and without making anything: anything may
 * be in it, so lines without a name are passed over and blanks around a value are no part of it, as
 * NATS clients read it. One object reads block after block; what it shows holds until it moves on.
 */
export class HeaderCursor {
  nameStart = 0
  nameEnd = 0
  valueStart = 0
  valueEnd = 0
  /** Behind the line end. The line begins with its name. */
  lineEnd = 0
  #block: Uint8Array = NOTHING

  /** In front of the first field, which is behind the line with the version. */
  begin(block: Uint8Array): void {
    this.#block = block
    const end = block.indexOf(LF)
    this.lineEnd = end < 0 ? block.length : end + 1
  }

  /** False at the end of the block. */
  next(): boolean {
    const block = this.#block
    while (this.lineEnd < block.length) {
      const start = this.lineEnd
      const newline = block.indexOf(LF, start)
      let end = newline < 0 ? block.length : newline
      this.lineEnd = newline < 0 ? end : newline + 1
      if (end > start && block[end - 1] === CR) end--
      let colon = start
      while (colon < end && block[colon] !== COLON) colon++
      if (colon === start || colon === end) continue
      this.nameStart = start
      this.nameEnd = colon
      this.#trim(colon + 1, end)
      return true
    }
    return false
  }

  #trim(start: number, end: number): void {
    const block = this.#block
    let from = start
    let to = end
    while (from < to && (block[from] === SPACE || block[from] === TAB)) from++
    while (from < to && (block[to - 1] === SPACE || block[to - 1] === TAB)) to--
    this.valueStart = from
    this.valueEnd = to
  }
}
