export type { Core, FrontDoor, Machine } from './core.ts'
