// Where the page begins: theme, shell, live plane, views.

import { start } from "./live/connection.js";
import { route, startRouting } from "./shell/router.js";
import { buildShell } from "./shell/shell.js";
import { startTheme } from "./shell/theme.js";
import { openDefinitions } from "./definitions/view.js";
import { openDocuments } from "./documents/view.js";
import { openQueue } from "./queue/view.js";
import { openSettings } from "./settings/view.js";
import { openTree } from "./tree/view.js";

startTheme();
start();
buildShell();
route(/^\/$/, openQueue, "queue");
route(/^\/jobs\/(\d+)$/, openTree, "queue");
route(/^\/definitions$/, openDefinitions, "definitions");
route(/^\/documents$/, openDocuments, "documents");
route(/^\/settings$/, openSettings, "settings");
startRouting();
