import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Gives memory back now that V8 would give back when it needs more of it: for who has let go of far more than he
 * will need again, such as a start. Takes some ms.
 */
export function collectGarbage(): void {
  // The function is only to be had in a context that is made while the flag is set.
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect === 'function') collect()
}
