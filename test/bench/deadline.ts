/** Each step of a benchmark has its time: one that hangs is ended, and says which one it was. */

/** A server that was told to end. */
export const END_DEADLINE_MS = 30_000
/** One run of a load, however slow the machine. */
export const LOAD_DEADLINE_MS = 180_000
/** One that fills a store with millions of messages. */
export const FILL_DEADLINE_MS = 1_200_000
/** A server that reads such a store at its start. */
export const READY_DEADLINE_MS = 120_000

export async function within<Value>(
  limitMs: number,
  what: string,
  work: Promise<Value>,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const isOver = new Promise<never>((_, reject) => {
    const tell = (): void => reject(new Error(`${what}: not done after ${limitMs / 1_000} s`))
    timer = setTimeout(tell, limitMs)
  })
  try {
    return await Promise.race([work, isOver])
  } finally {
    clearTimeout(timer)
  }
}
