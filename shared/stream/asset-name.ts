import type { Random } from '../runtime/index.ts'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const LENGTH = 8

/** A consumer's name that nobody has, or as many characters that nobody guesses. */
export function newAssetName(random: Random): string {
  let name = ''
  for (let i = 0; i < LENGTH; i++) name += LETTERS[random.below(LETTERS.length)]
  return name
}
