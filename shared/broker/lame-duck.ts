import { type Clock, type Random, wait } from '../runtime/index.ts'
import { LAME_DUCK_STEP_MAX_MS } from './limits.ts'

export interface LameDuckOptions {
  /** From the announcement to the first that is closed: time for other servers to announce it too. */
  readonly graceMs: number
  /** From the announcement to the last that is closed. */
  readonly durationMs: number
  /** Called when the grace period is over, and the first is about to be closed. */
  readonly onClosing?: () => void
}

/**
 * Closes the connections one by one over what the grace period leaves of the duration, in nats-server's
 * steps: of random length from half a step to a whole one, and no longer than a second. When there are more
 * connections than milliseconds they go in batches.
 */
export async function closeOneByOne(
  connections: readonly { end(): void }[],
  { graceMs, durationMs, onClosing }: LameDuckOptions,
  clock: Clock,
  random: Random,
): Promise<void> {
  // Nobody is there who could need the time.
  if (connections.length === 0) return
  await wait(clock, graceMs)
  onClosing?.()
  const leftMs = Math.max(durationMs - graceMs, 0)
  const stepMs = Math.min(leftMs / Math.max(connections.length, 1), LAME_DUCK_STEP_MAX_MS)
  const batch = stepMs >= 1 ? 1 : Math.ceil(connections.length / Math.max(leftMs, 1))
  for (const [index, connection] of connections.entries()) {
    connection.end()
    const isLast = index === connections.length - 1
    if (!isLast && (index + 1) % batch === 0) {
      await wait(clock, Math.max(stepMs, 1) * (0.5 + random.float() / 2))
    }
  }
}
