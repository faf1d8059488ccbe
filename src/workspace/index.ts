export { type CleanUpLimits } from './clean-up.ts';
export { ensureRoot, type Owner } from './directories.ts';
export { checkoutName, type CheckoutOf, inventoryCheckoutName, inventoryFileName } from './names.ts';
export { startUpkeep, type UpkeepOptions } from './upkeep.ts';
export { type TaskWorkspace } from './task-workspace.ts';
export { type ClearResult, Workspace, type WorkspaceOptions } from './workspace.ts';
