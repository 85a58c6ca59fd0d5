import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import * as path from 'node:path'

/** The map must be of this country: what documents point at is there. */

const ROOT = path.resolve(import.meta.dirname, '../../..')
const FOLDERS = /^(shared|hub|leaf|bridge-mqtt|process|test|docs|deploy|scripts)\//

async function documents(): Promise<Map<string, string>> {
  const inner = await readdir(path.join(ROOT, 'docs'), { recursive: true })
  const names = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].concat(
    inner.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  )
  const texts = names.map(async (name) => {
    return [name, await readFile(path.join(ROOT, name), 'utf8')] as const
  })
  return new Map(await Promise.all(texts))
}

/** GitHub's name of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}

describe('documents', () => {
  it('link to files and headings that are there', async () => {
    const texts = await documents()
    const wrong: string[] = []
    for (const [name, text] of texts) {
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [file = '', anchor] = target.split('#')
        const at = file === '' ? name : path.posix.join(path.posix.dirname(name), file)
        if (!existsSync(path.join(ROOT, at))) wrong.push(`${name}: ${target}`)
        if (anchor === undefined) continue
        const headings = [...(texts.get(at) ?? '').matchAll(/^#+ (.*)$/gm)]
        const isThere = headings.some(([, heading = '']) => anchorOf(heading) === anchor)
        if (!isThere) wrong.push(`${name}: ${target}`)
      }
    }
    assert.deepEqual(wrong, [])
  })

  it('the map names files that are there', async () => {
    const text = (await documents()).get('ARCHITECTURE.md') ?? ''
    const wrong: string[] = []
    let names = 0
    for (const line of text.split('\n').filter((it) => it.startsWith('|'))) {
      let folder = ''
      for (const [, name = ''] of line.matchAll(/`([\w./*-]+)`/g)) {
        // A folder that is not one of the first rank lies in the one that was named before it.
        const at = FOLDERS.test(name) ? name : `${folder}${name}`
        if (FOLDERS.test(name)) folder = name.endsWith('/') ? name : `${path.posix.dirname(name)}/`
        if (!/\.(ts|md)$|\/$/.test(name)) continue
        names++
        const known = [at, name, `hub/${name}`, `leaf/${name}`, `bridge-mqtt/${name}`]
        const isThere = known.some((it) => isSomething(it))
        if (!isThere) wrong.push(`${line.slice(0, 40)}…: ${name}`)
      }
    }
    assert.ok(names > 60, `${names} names`)
    assert.deepEqual(wrong, [])
  })
})

/** `*` stands for a part of a file's name. */
function isSomething(name: string): boolean {
  if (!name.includes('*')) return existsSync(path.join(ROOT, name))
  const folder = path.join(ROOT, path.posix.dirname(name))
  const pattern = new RegExp(`^${path.posix.basename(name).replace('*', '.*')}$`)
  return existsSync(folder) && readdirSync(folder).some((file) => pattern.test(file))
}
