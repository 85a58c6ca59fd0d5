/**
 * A page of what STREAM.INFO tells of subjects. There may be millions: they are found and put in order in steps,
 * others in between, for one request of an account at a time, because all of them are in memory meanwhile.
 */
import { SubjectFilter } from '../../subject/index.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { SORT_RUN, SORT_STEP, SUBJECT_DETAILS_PAGE } from '../limits.ts'
import type { Stream } from '../stream.ts'

type Turn = () => Promise<void>

interface SubjectPage {
  readonly total: number
  readonly offset: number
  readonly limit: number
  readonly subjects: Readonly<Record<string, number>> | undefined
}

export const NO_SUBJECTS: SubjectPage = { total: 0, offset: 0, limit: 0, subjects: undefined }

export class SubjectPages {
  readonly #turn: Turn
  #last: Promise<unknown> = Promise.resolve()

  /** @param turn lets others have the loop */
  constructor(turn: Turn) {
    this.#turn = turn
  }

  /**
   * The subjects that match from `offset` on, in their order, with how many messages each has.
   *
   * @param isWanted asked when its turn has come; a page that nobody waits for any more is empty
   */
  page(
    { store }: Stream,
    filterText: string,
    offset: number,
    isWanted: () => boolean,
  ): Promise<SubjectPage> {
    const filter = new SubjectFilter(filterText)
    const make = async (): Promise<SubjectPage> => {
      if (!isWanted()) return NO_SUBJECTS
      const found = await store.subjectsInTurns(filter)
      if (found.size === 0) return NO_SUBJECTS
      const names = await sortedInTurns([...found.keys()], this.#turn)
      const shown = names.slice(offset, offset + SUBJECT_DETAILS_PAGE)
      const counts = shown.map((name) => [name, found.get(name) ?? 0] as const)
      return {
        total: found.size,
        offset,
        limit: SUBJECT_DETAILS_PAGE,
        subjects: shown.length === 0 ? undefined : Object.fromEntries(counts),
      }
    }
    const made = this.#last.then(make)
    this.#last = made.catch(() => {})
    return made
  }
}

/** Throws 10059 when the stream is another by now, or none. */
export function checkThere(stream: Stream, now: Stream | undefined): void {
  if (stream !== now) throw new JetStreamError(10059)
}

/** Runs that are in order each, put together two by two. */
export async function sortedInTurns(names: readonly string[], turn: Turn): Promise<string[]> {
  let runs: string[][] = []
  for (let at = 0; at < names.length; at += SORT_RUN) {
    runs.push(names.slice(at, at + SORT_RUN).sort())
    if (at + SORT_RUN < names.length) await turn()
  }
  while (runs.length > 1) {
    const longer: string[][] = []
    for (let i = 0; i < runs.length; i += 2) {
      longer.push(await merged(runs[i] ?? [], runs[i + 1] ?? [], turn))
    }
    runs = longer
  }
  return runs[0] ?? []
}

async function merged(one: string[], other: string[], turn: Turn): Promise<string[]> {
  if (other.length === 0) return one
  const all: string[] = []
  let i = 0
  let j = 0
  while (i < one.length && j < other.length) {
    const a = one[i] as string
    const b = other[j] as string
    if (a <= b) i++
    else j++
    all.push(a <= b ? a : b)
    if (all.length % SORT_STEP === 0) await turn()
  }
  const rest = i < one.length ? one.slice(i) : other.slice(j)
  return all.concat(rest)
}
