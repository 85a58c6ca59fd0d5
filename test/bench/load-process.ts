import { execFile } from 'node:child_process'
import * as path from 'node:path'
import { promisify } from 'node:util'

const OUTPUT_BYTES_MAX = 1024 * 1024

/** Runs a script of this folder in a process of its own and returns what it prints. */
export async function runLoad<Load, Result>(script: string, load: Load): Promise<Result> {
  const file = path.join(import.meta.dirname, script)
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import=tsx', file, JSON.stringify(load)],
    { maxBuffer: OUTPUT_BYTES_MAX },
  )
  return JSON.parse(stdout) as Result
}
