
	
v1Pod€€€€€ x