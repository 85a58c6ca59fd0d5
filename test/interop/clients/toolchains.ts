/**
 * Makes the client programs runnable, one folder per language. A language that cannot be had on this machine gives
 * the reason instead, and its tests are skipped with it. What is fetched or built stays in .conformance/clients.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const CACHE = path.resolve(import.meta.dirname, '../../../.conformance/clients')
const FETCH_DEADLINE_MS = 240_000

/** A command that takes a scenario, a URL and flags, or why there is none. */
export type Program = { readonly command: readonly string[] } | { readonly missing: string }

type Language = 'go' | 'python' | 'java'

const WAYS: { readonly [language in Language]: (source: string) => Promise<readonly string[]> } = {
  go: async (source) => {
    const program = path.join(CACHE, 'go-client')
    const compiler = existsSync('/usr/local/go/bin/go') ? '/usr/local/go/bin/go' : 'go'
    await fetched(compiler, ['mod', 'download'], source)
    await exec(compiler, ['build', '-o', program, '.'], { cwd: source })
    return [program]
  },
  python: async (source) => {
    const folder = path.join(CACHE, 'python')
    const interpreter = path.join(folder, 'bin', 'python')
    const requirements = path.join(source, 'requirements.txt')
    await once(path.join(folder, 'installed'), readFileSync(requirements, 'utf8'), async () => {
      await fetched('python3', ['-m', 'venv', folder], source)
      await fetched(interpreter, ['-m', 'pip', 'install', '--quiet', '-r', requirements], source)
    })
    return [interpreter, path.join(source, 'client.py')]
  },
  java: async (source) => {
    const folder = path.join(CACHE, 'java')
    const manifest = path.join(source, 'pom.xml')
    await once(path.join(folder, 'installed'), readFileSync(manifest, 'utf8'), () =>
      fetched(
        'mvn',
        ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`],
        source,
      ),
    )
    const libraries = path.join(folder, '*')
    const classes = path.join(folder, 'classes')
    await exec('javac', ['-d', classes, '-cp', libraries, 'Client.java'], { cwd: source })
    return ['java', '-cp', `${libraries}${path.delimiter}${classes}`, 'Client']
  },
}

/** Java starts slowly, so it runs when INTEROP_LANGUAGES names it. */
export function languages(): readonly string[] {
  return (process.env['INTEROP_LANGUAGES'] ?? 'go,python').split(',')
}

export async function programIn(language: string): Promise<Program> {
  const way = WAYS[language as Language]
  if (way === undefined) throw new Error(`no client in ${language}`)
  mkdirSync(CACHE, { recursive: true })
  try {
    return { command: await way(path.join(import.meta.dirname, language)) }
  } catch (error) {
    if (error instanceof NotToBeHad) return { missing: error.message }
    throw error
  }
}

class NotToBeHad extends Error {}

/** Does the work unless it was done for the same manifest. */
async function once(marker: string, manifest: string, work: () => Promise<void>): Promise<void> {
  if (existsSync(marker) && readFileSync(marker, 'utf8') === manifest) return
  await work()
  writeFileSync(marker, manifest)
}

/** What fails here is the machine's lack or the network's; what fails to compile is ours. */
async function fetched(command: string, args: readonly string[], cwd: string): Promise<void> {
  try {
    await exec(command, args, { cwd, timeout: FETCH_DEADLINE_MS })
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: string }
    throw new NotToBeHad(`${message}\n${stderr ?? ''}`.trim())
  }
}
