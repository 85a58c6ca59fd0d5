/**
 * Names and passwords in the one form in which both ends of a SCRAM exchange must have them [RFC 4013]: spaces of
 * all scripts as one, invisible characters gone, compatibility forms as what they stand for. What Unicode 3.2
 * had not assigned is let through: no runtime has its tables, and a client sends what it sends.
 */

/** [RFC 3454, C.1.2] and [RFC 3454, B.1]. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu
// biome-ignore lint/suspicious/noMisleadingCharacterClass: each of them by itself is what is meant
const INVISIBLE = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/gu

/** [RFC 3454, C.2 to C.9]: controls, private use, no characters, surrogates, what changes others. */
const PROHIBITED =
  /[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u06dd\u070f\u180e\u200e\u200f\u2028-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u

/** [RFC 3454, 6]: text of a script that is written from the right begins and ends in it, and holds no other. */
const FROM_RIGHT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}]/u
const FROM_LEFT = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Han}]/u

const PLAIN = /^[\x20-\x7e]*$/

/** undefined: it holds what no name or password may. */
export function saslprep(text: string): string | undefined {
  if (PLAIN.test(text)) return text
  const prepared = text.replace(SPACES, ' ').replace(INVISIBLE, '').normalize('NFKC')
  if (PROHIBITED.test(prepared)) return undefined
  if (!FROM_RIGHT.test(prepared)) return prepared
  const characters = [...prepared]
  const ends = [characters[0] ?? '', characters.at(-1) ?? '']
  const isOneWay = !FROM_LEFT.test(prepared) && ends.every((end) => FROM_RIGHT.test(end))
  return isOneWay ? prepared : undefined
}
