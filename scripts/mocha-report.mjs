/** What mocha's spec reporter says at its end, as facts. */
import { stripVTControlCharacters } from 'node:util'

/** How much of an error is told with the name of its test. */
const ERROR_LENGTH_MAX = 300

/** mocha's last words: `123 passing (4s)`. */
export function countOf(output, word) {
  const plain = stripVTControlCharacters(output)
  const found = [...plain.matchAll(new RegExp(`^ *(\\d+) ${word}\\b`, 'gm'))].at(-1)
  return found === undefined ? undefined : Number(found[1])
}

/**
 * The tests that failed, each as one line: its suites, its title, and how its error begins. Behind `N failing`
 * mocha numbers them, one deeper line for each suite within, and the last of these ends with a colon.
 */
export function failedTests(output) {
  const plain = stripVTControlCharacters(output)
  const at = [...plain.matchAll(/^ *\d+ failing\b/gm)].at(-1)?.index
  if (at === undefined) return []
  const entries = plain.slice(at).matchAll(/^ {2}\d+\) (.*(?:\n {7,}\S.*)*?):\n\s*(.*)$/gm)
  return [...entries].map(([, titles, error]) => {
    const name = titles.split('\n').map((line) => line.trim())
    return `${name.join(' › ')}: ${error.slice(0, ERROR_LENGTH_MAX)}`
  })
}
