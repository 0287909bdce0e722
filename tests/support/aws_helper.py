SIGN = "first "
