import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { failedTests } from '../../../scripts/mocha-report.mjs'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const MOCHA = path.join(ROOT, 'node_modules/mocha/bin/mocha.js')
const REPORTER = path.join(ROOT, 'scripts/mocha-reporter.mjs')

describe('what mocha says of files that processes share', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'petiole-mocha-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  function outputOf(files: Readonly<Record<string, string>>): Promise<string> {
    for (const [name, text] of Object.entries(files))
      writeFileSync(path.join(directory, name), text)
    const shared = ['--no-config', '--parallel', '--jobs', '2', '--reporter', REPORTER]
    return new Promise((resolve) => {
      execFile(process.execPath, [MOCHA, ...shared, '*.mjs'], { cwd: directory }, (_, out) => {
        resolve(out)
      })
    })
  }

  for (const [what, text] of [
    ['ends its process', "it('ends', () => process.exit(0))"],
    ['does not load', "import './none.mjs'"],
  ] as const) {
    it(`names one that ${what}, and those of the others that failed`, async () => {
      const other = "it('holds', () => {}); it('fails', () => { throw new Error('so') })"
      const output = await outputOf({ 'bad.mjs': text, 'other.mjs': other })
      assert.match(output, /1 passing/)
      const [first, second] = failedTests(output)
      assert.equal(first, 'fails: Error: so')
      assert.match(second ?? '', /^bad\.mjs: Uncaught Error/)
    })
  }
})
