/**
 * An account's name as one word of a control line: what would end the word is percent-encoded. Names
 * with blanks are rare, and ids of operator mode have none, so mostly it is the name itself.
 */
export function accountToken(name: string): string {
  return name.replaceAll(/[\p{Cc}\s%]/gu, (letter) => encodeURIComponent(letter))
}

/** undefined: no token. */
export function accountOf(token: string): string | undefined {
  if (!token.includes('%')) return token
  try {
    return decodeURIComponent(token)
  } catch {
    return undefined
  }
}
