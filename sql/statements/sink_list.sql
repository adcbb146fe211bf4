SELECT name, cursor FROM sink WHERE configured;
