DELETE FROM unaudited_exec WHERE exec_ns = ?1 AND pid = ?2;
